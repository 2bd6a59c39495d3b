// Reads the uncompressed zip archive after a released model, like zoo.deploy.read_archive in Python.

/** The archive's texts by name; empty if there is no archive. */
export function readArchive(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = (start, length) => new TextDecoder().decode(bytes.subarray(start, start + length));
  let end = bytes.length - 22; // of the central directory
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) return {};
  const files = {};
  let entry = end - view.getUint32(end + 12, true);
  const shift = entry - view.getUint32(end + 16, true); // 0, unless offsets are relative to the start of the zip
  for (let count = view.getUint16(end + 10, true); count > 0; count--) {
    const [name, extra, comment] = [28, 30, 32].map(offset => view.getUint16(entry + offset, true));
    const local = view.getUint32(entry + 42, true) + shift;
    const content = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    files[text(entry + 46, name)] = text(content, view.getUint32(entry + 20, true));
    entry += 46 + name + extra + comment;
  }
  return files;
}
