/** Rules about what a server does with requests that are not as they should be. */
import type { S3ObjectStore } from '../s3/s3-object-store';
import type { ConformanceRule } from './rule';
import { NotSupported, ensure } from './subject';

export const serverRules = (store: S3ObjectStore): readonly ConformanceRule[] => [
  {
    isRequired: false,
    name: 'an upload that arrives damaged is refused',
    neededFor: 'noticing damage at once; without it, the read notices',
    async check(subject) {
      const key = subject.key('damaged');
      if (await store.acceptsDamagedUpload(key)) throw new NotSupported('checksums of uploads are not compared');
      ensure((await subject.head(key)) === null, 'it was refused and is there all the same');
    },
  },
  {
    isRequired: true,
    name: 'a request with a wrong signature is refused',
    neededFor: 'keeping others out',
    async check(subject) {
      if (await store.acceptsWrongSignature(subject.prefix('nothing/')))
        throw new NotSupported('signatures are not compared');
    },
  },
];
