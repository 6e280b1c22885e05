/** What stands in a field: nothing where no limit is set. */
export function shown(amount: number | null | undefined): string {
  return amount == null ? '' : String(amount);
}

/** What a field says; the field takes nothing but digits. */
export function amount(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}
