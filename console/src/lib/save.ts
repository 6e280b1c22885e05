/** Long enough for the browser to have begun; the copy in memory goes afterwards. */
const KEPT_MS = 60_000;

/** Hands a file to the browser to save, under the name that the server gave it. */
export function saveFile(file: Blob, response: Response, otherwise: string): void {
  const named = /filename="([^"]+)"/.exec(response.headers.get('content-disposition') ?? '');
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = named?.[1] ?? otherwise;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
