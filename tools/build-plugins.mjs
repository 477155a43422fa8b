// What makes bundles of packages start fast and find their native parts.
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';

/** classic-level finds its addon from its own folder, so the one file that does stays where it is. */
export const nativeBinding = {
  name: 'native-binding',
  setup(build) {
    build.onResolve({ filter: /^\.\/binding(\.js)?$/ }, ({ importer }) => {
      if (!dirname(importer).endsWith(join('node_modules', 'classic-level'))) return undefined;
      return { path: 'classic-level-binding', namespace: 'native' };
    });
    // Two steps: only an ES module knows where the bundle is, only a CommonJS one can be what `require` answers.
    build.onResolve({ filter: /^classic-level-addon$/ }, ({ path }) => ({ path, namespace: 'native' }));
    build.onLoad({ filter: /./, namespace: 'native' }, ({ path }) => ({
      contents:
        path === 'classic-level-binding'
          ? "module.exports = require('classic-level-addon').default;"
          : "import { createRequire } from 'node:module'; export default createRequire(import.meta.url)('classic-level/binding.js');",
      loader: 'js',
    }));
  },
};

/**
 * The same in a CommonJS bundle, which has a `require` of its own. The addon itself where its name is known: the package's
 * loader reads seven files and two folders to find it (measured: 6 ms). One that does not load is the loader's affair.
 */
export const nativeBindingOfPrograms = {
  name: 'native-binding',
  setup(build) {
    build.onResolve({ filter: /^\.\/binding(\.js)?$/ }, ({ importer }) =>
      dirname(importer).endsWith(join('node_modules', 'classic-level'))
        ? { path: 'classic-level-binding', namespace: 'native' }
        : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'native' }, () => ({
      contents: `const known = 'classic-level/prebuilds/' + process.platform + '-' + process.arch + '/classic-level.node';
let addon;
try {
  addon = require(known);
} catch {
  addon = require('classic-level/binding.js');
}
module.exports = addon;`,
      loader: 'js',
    }));
    build.onResolve({ filter: /^classic-level\/binding\.js$/ }, ({ path }) => ({ path, external: true }));
  },
};

/** commander names child_process for subcommands that are programs of their own; it is loaded when it is used: never. */
export const lazyChildProcess = {
  name: 'lazy-child-process',
  setup(build) {
    build.onResolve({ filter: /^(node:)?child_process$/ }, ({ path, kind }) =>
      kind === 'require-call' ? { path, namespace: 'lazy' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'lazy' }, () => ({
      contents: `module.exports = new Proxy({}, { get: (_, key) => ${builtin('node:child_process')}[key] });`,
      loader: 'js',
    }));
  },
};

const builtin = (name) => `globalThis.process.getBuiltinModule(${JSON.stringify(name)})`;

/** What packages of CommonJS modules in a bundle call for Node's own modules; there is no `require` in an ES module. */
export const requireBanner = 'const require=(name)=>globalThis.process.getBuiltinModule(name);';

/**
 * Node's own modules by process.getBuiltinModule (Node 20.16) in a finished bundle: an `import` of `node:fs` or
 * `node:process` calls every getter there is (promises, streams, terminals), 2 and 5 ms where it was measured. Lines stay
 * lines, so that source maps hold.
 * @param {string} text
 */
export function builtinsDirectly(text) {
  return text.replace(/\bimport\s*([\w$\s,*{}]+?)\s*from\s*"([\w:/]+)";/g, (whole, what, name) =>
    isBuiltin(name) ? constants(what, builtin(name)) : whole,
  );
}

/** `a, { b as c }`, `{ b }` or `* as d` of an import as constants. */
function constants(what, module) {
  const [, first, names] = /^([^{]*?)\s*,?\s*(\{[\s\S]*\})?$/.exec(what) ?? [];
  const out = [];
  if (first) out.push(`const ${first.replace(/^\*\s*as\s*/, '')} = ${module};`);
  if (names) {
    // A default import of one of Node's modules is the module itself.
    const own = /\bdefault as ([\w$]+),?/.exec(names);
    if (own) out.push(`const ${own[1]} = ${module};`);
    const rest = own ? names.replace(own[0], '') : names;
    out.push(`const ${rest.replaceAll(/([\w$]+) as ([\w$]+)/g, '$1: $2')} = ${module};`);
  }
  return out.join(' ');
}
