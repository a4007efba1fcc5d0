/** Which of two valid records of one key is more current: word by word, the greater is. Missing words count as 0. */
export function compareRanks(a: readonly bigint[], b: readonly bigint[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [wordA, wordB] = [a[index] ?? 0n, b[index] ?? 0n]
    if (wordA !== wordB) return wordA < wordB ? -1 : 1
  }
  return 0
}
