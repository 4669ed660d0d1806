// Files whose text has the pragma `@long` begin first, so that no worker is left with one of them at the end.
const fs = require('node:fs');
const { default: Sequencer } = require('@jest/test-sequencer');

const isLong = ({ path }) => fs.readFileSync(path, 'utf8').includes(' * @long');

module.exports = class extends Sequencer {
  sort(tests) {
    const sorted = super.sort(tests);
    return [...sorted.filter(isLong), ...sorted.filter((test) => !isLong(test))];
  }
};
