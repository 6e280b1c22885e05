/** As much as the server takes at once. */
const MOST_BYTES = 8 * 1024 * 1024;

/** A file that was chosen: its text, or why it is not taken. */
export type CsvFile =
  | { name: string; csv: string; fault?: never }
  | { name: string; csv?: never; fault: string };

/** Reads a file as UTF-8 and as nothing else: read loosely, names in another encoding would be imported destroyed. */
export async function readCsv(file: File): Promise<CsvFile> {
  const { name } = file;
  if (file.size > MOST_BYTES) return { name, fault: 'This file is larger than 8 MiB; split it.' };
  try {
    return { name, csv: new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer()) };
  } catch {
    return { name, fault: 'This file is not UTF-8; save it as CSV UTF-8.' };
  }
}
