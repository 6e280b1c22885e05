/** Tenure's mark: a letter held between two brackets of ground. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect className="mark-ground" width="32" height="32" rx="7" />
      <path className="mark-letter" d="M8 8.5h16v4.2h-5.6V22h-4.8v-9.3H8z" />
      <path className="mark-hold" d="M8 24.4h3.6M20.4 24.4H24" />
    </svg>
  );
}
