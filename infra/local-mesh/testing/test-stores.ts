import { readFileSync, writeFileSync } from 'node:fs';
import { withStore } from '@featuremesh/cli/region/region-document';
import type { RegionConfigInput } from '@featuremesh/contracts/region-config';
import { systemClock } from '@featuremesh/runtime/clock';
import { systemTimer } from '@featuremesh/runtime/timer';
import { planStores, type RegionStorePlan, storeSection } from '../store-plan.ts';
import { StoresProcess } from '../stores-process.ts';
import { testProfile } from './test-profile.ts';

/** What a test's regions keep rows in, where it prepares and serves them by itself: nothing of its own with `embedded`, else clusters as the launcher runs them. */
export class TestStores {
  readonly #plans: readonly RegionStorePlan[];
  readonly #process: StoresProcess | undefined;

  private constructor(plans: readonly RegionStorePlan[], process: StoresProcess | undefined) {
    this.#plans = plans;
    this.#process = process;
  }

  /** Starts a cluster of two data centres for each region, where the test's profile asks for them; resolves when all answer. */
  static async start(mesh: {
    readonly dataDir: string;
    readonly regions: readonly string[];
    readonly portBase: number;
  }): Promise<TestStores> {
    if (testProfile() === 'embedded') return new TestStores([], undefined);
    const plans = planStores({ ...mesh, dataCentres: 2, cores: 2 });
    const stores = new StoresProcess({
      ...{ plans, dataDir: mesh.dataDir, clock: systemClock, timer: systemTimer },
      tell: text => console.info(text),
      onChange: () => undefined,
    });
    await stores.start();
    return new TestStores(plans, stores);
  }

  /** What region.yaml says of a region's store; undefined leaves LMDB. */
  readonly storeOf = (region: string): RegionConfigInput['store'] => {
    const plan = this.#plans.find(one => one.region === region);
    return plan === undefined ? undefined : storeSection(plan);
  };

  /** Writes into a region.yaml that exists what it says of the region's store. */
  writeInto(configPath: string, region: string): void {
    const store = this.storeOf(region);
    if (store !== undefined) writeFileSync(configPath, withStore(readFileSync(configPath, 'utf8'), store));
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }
}
