/** Draws ranks 0 … n − 1 with probability proportional to 1 / (rank + 1)^skew, by search in the exact cumulative distribution. */
export class ZipfSampler {
  readonly #cumulative: Float64Array;

  constructor(n: number, skew: number) {
    const cumulative = new Float64Array(n);
    let sum = 0;
    for (let rank = 0; rank < n; rank++) {
      sum += (rank + 1) ** -skew;
      cumulative[rank] = sum;
    }
    this.#cumulative = cumulative.map(value => value / sum);
  }

  /** The rank at a uniform draw from [0, 1). */
  at(uniform: number): number {
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulative[middle] ?? 1) <= uniform) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
