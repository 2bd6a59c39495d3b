// Turns texts into tokens like zoo/data/vocabulary.py: 0 is padding, 1 a word that is not in the vocabulary.
const WORD = /[\p{L}\p{N}_]+(?:'[\p{L}\p{N}_]+)?|[!?]/gu; // matches the same words as \w+(?:'\w+)?|[!?] in Python

export const wordsOf = text => text.toLowerCase().match(WORD) ?? [];

/** One token per step: longer texts are cut, and a text without words is one unknown word. */
export function tokens(words, vocabulary, steps) {
  const result = words.slice(0, steps).map(word => vocabulary.get(word) ?? 1);
  if (!result.length) result.push(1);
  return [...result, ...new Array(steps - result.length).fill(0)];
}
