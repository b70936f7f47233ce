import type { Checker, Evidence, Expectation, ExpectedSecret, Sighting } from './evidence.ts';

/** What stands for one secret in one region: where its word was seen, and what the registry held, change by change. */
interface Trail {
  readonly region: string;
  readonly secret: ExpectedSecret;
  readonly sightings: readonly Sighting[];
}

function trails({ sightings }: Evidence, { regions, secrets }: Expectation): readonly Trail[] {
  return secrets.flatMap(secret => {
    return regions.map(region => ({
      region,
      secret,
      sightings: sightings.filter(one => one.region === region && one.word === secret.word),
    }));
  });
}

const registryOf = ({ sightings }: Trail): readonly boolean[] =>
  sightings.filter(({ place }) => place === 'registry').map(({ seen }) => seen);

/** C1: a region that at no time of the run might know a word never has it: not in its registry, not in CTL for it, not in a log line. */
export const checkNeverKnown: Checker = (evidence, expectation) =>
  trails(evidence, expectation).flatMap(({ region, secret, sightings }) => {
    if (!secret.never.includes(region)) return [];
    const places = new Set(sightings.filter(({ seen }) => seen).map(({ place }) => place));
    return [...places].map(place => ({
      invariant: 'C1',
      what: `${region} must never know ${secret.word}; it was in its ${place}`,
    }));
  });

/** C2: at the end nobody knows a word any more that may no longer know it. */
export const checkForgotten: Checker = (evidence, expectation) =>
  trails(evidence, expectation).flatMap(trail => {
    const { region, secret } = trail;
    const may = secret.atEnd.includes(region) || secret.mayAtEnd.includes(region);
    if (may || registryOf(trail).at(-1) !== true) return [];
    return [{ invariant: 'C2', what: `${region} still knows ${secret.word}` }];
  });

/** C3: what was forgotten comes back only where it was given again: late and repeated messages bring back nothing. */
export const checkNotRevived: Checker = (evidence, expectation) =>
  trails(evidence, expectation).flatMap(trail => {
    const { region, secret } = trail;
    const changes = registryOf(trail);
    const learnt = changes.filter((seen, at) => seen && changes[at - 1] !== true).length;
    if (secret.never.includes(region) || learnt <= secret.givings) return [];
    return [
      { invariant: 'C3', what: `${region} learnt ${secret.word} ${learnt} times, given ${secret.givings}` },
    ];
  });

/** C4: at the end everyone knows a word that may know it. */
export const checkTold: Checker = (evidence, expectation) =>
  trails(evidence, expectation).flatMap(trail => {
    const { region, secret } = trail;
    if (!secret.atEnd.includes(region) || registryOf(trail).at(-1) === true) return [];
    return [{ invariant: 'C4', what: `${region} was not told ${secret.word}` }];
  });
