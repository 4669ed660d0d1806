import { FrameDecoder, TenantId, TimelineId } from '@neon/kernel';
import {
  type Hello,
  PAGE_FRAME_SIZE_MAX,
  PAGE_SERVICE_VERSION,
  decodePageRequest,
  encodePageRequest,
} from './page-service';

const hello: Hello = {
  type: 'hello',
  version: PAGE_SERVICE_VERSION,
  tenantId: TenantId.parse('11'.repeat(16)),
  timelineId: TimelineId.parse('22'.repeat(16)),
  token: 'token',
};
const throughBytes = (request: Hello) =>
  [...new FrameDecoder(PAGE_FRAME_SIZE_MAX).push(Buffer.from(encodePageRequest(request)))].map(decodePageRequest);

it.each([
  ['without trace context', hello],
  ['with trace context', { ...hello, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }],
])('hello %s comes back as it was', (_what, request) => {
  expect(throughBytes(request)).toEqual([request]);
});
