// Texts as tokens, as zoo/data/texts.py makes them: 0 for padding, 1 for a word that the vocabulary has not.
const WORD = /[\p{L}\p{N}_]+(?:'[\p{L}\p{N}_]+)?|[!?]/gu; // what Python's \w+(?:'\w+)?|[!?] finds

export const wordsOf = text => text.toLowerCase().match(WORD) ?? [];

/** Numbers, as many as there are steps: what is longer is cut, a text without words is one unknown word. */
export function tokens(words, vocabulary, steps) {
  const found = words.slice(0, steps).map(word => vocabulary.get(word) ?? 1);
  if (!found.length) found.push(1);
  return [...found, ...new Array(steps - found.length).fill(0)];
}
