/** Reads the Prometheus text format, as far as a page needs it. */

/** Parse the text into samples: [{name, labels, value}]. */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)/i.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, name, value]) => [name, value]));
    samples.push({ name: found[1], labels, value: Number(found[3].replace("+Inf", "Infinity")) });
  }
  return samples;
}

/** The buckets of a histogram, each with its own count, over all labels but those given: [{below, count}]. */
export function histogram(samples, name, labels) {
  const sums = new Map();
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket`) continue;
    if (!Object.entries(labels).every(([label, value]) => sample.labels[label] === value)) continue;
    const below = Number(sample.labels.le.replace("+Inf", "Infinity"));
    sums.set(below, (sums.get(below) ?? 0) + sample.value);
  }
  const bounds = [...sums.keys()].sort((a, b) => a - b);
  return bounds.map((below, i) => ({ below, count: sums.get(below) - (i ? sums.get(bounds[i - 1]) : 0) }));
}

/** Estimate a quantile, taking values to lie evenly within their bucket. */
export function quantile(buckets, q) {
  const wanted = q * buckets.reduce((sum, { count }) => sum + count, 0);
  let [sum, from] = [0, 0];
  for (const { below, count } of buckets) {
    if (count && sum + count >= wanted) {
      return Number.isFinite(below) ? from + ((below - from) * (wanted - sum)) / count : from;
    }
    sum += count;
    from = below;
  }
  return 0;
}
