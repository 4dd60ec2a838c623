/* Compares two texts beside the page, so that a long pair never freezes it. */
import { difference } from "./words.js";

self.addEventListener("message", ({ data }) => {
  self.postMessage({ id: data.id, sides: difference(data.left, data.right) });
});
