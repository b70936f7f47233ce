import { homedir } from 'node:os';
import { join } from 'node:path';

/** The user-level folder for what is obtained once: `FEATUREMESH_CACHE`, else below `XDG_CACHE_HOME`, else `~/.cache`. */
export function cacheFolder() {
  const { FEATUREMESH_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  if (own !== undefined && own !== '') return own;
  return join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.cache'), 'featuremesh');
}
