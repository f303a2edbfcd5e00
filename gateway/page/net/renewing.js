// Reading again what may have changed meanwhile: one read at a time, and one more for whoever asks during it.

/** A function that reads. It comes true when nobody asked since the last read began. */
export function renewing(read) {
  let isReading = false;
  let isStale = false;
  return async () => {
    isStale = true;
    if (isReading) return;
    isReading = true;
    try {
      while (isStale) {
        isStale = false;
        await read();
      }
    } finally {
      isReading = false;
    }
  };
}
