// React 18 lies beside React 19 under another name, and its parts look for each other under the usual one.

import Module from "node:module";

const loader = Module as unknown as {
  _resolveFilename: (request: string, parent: { filename?: string }, ...rest: unknown[]) => string;
};
const resolve = loader._resolveFilename;
loader._resolveFilename = (request, parent, ...rest) => {
  const isReact = /^react(-dom)?(\/|$)/.test(request);
  return resolve(isReact ? request.replace(/^react(-dom)?/, "$&-18") : request, parent, ...rest);
};
