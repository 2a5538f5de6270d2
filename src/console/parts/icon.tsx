/** Drawn for this page; MIT as the rest of it. */
const PATHS = {
  inbox: 'M4 13l3-8h10l3 8v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1zM4 13h5l1.500 2.500h3L15 13h5',
  missions: 'M12 3v3M12 18v3M3 12h3M18 12h3M12 8.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7z',
  records:
    'M6 3h9l4 4v13a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM8.500 12h7M8.500 16h5M14.500 3v4.500H19',
  grants:
    'M14.500 9.500a4.500 4.500 0 1 0-3.800 4.440L12.500 16H15v2.500h2.500V21H21v-3l-6.700-6.700c.13-.57.2-1.180.2-1.800zM9 8.500v.01',
  audit:
    'M12 3l7 3v5.500c0 4.500-3 7.800-7 9.500-4-1.700-7-5-7-9.500V6zM9 12l2.200 2.200L15.500 10',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 4.500v5M9 14.500v5M4 12h16',
  lock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  unlock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 6.700-1.400',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  cross: 'M6.500 6.500l11 11M17.500 6.500l-11 11',
  edit: 'M5 19l1-4L16 5l3 3L9 18z',
  leaf: 'M5 19c0-9 5-14 15-14 0 10-5 15-12 14M5 19c2-4 5-7 9-9',
  clock: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 8v4.500l3 1.700',
  chip: 'M8 8h8v8H8zM10.500 4v4M13.500 4v4M10.500 16v4M13.500 16v4M4 10.500h4M4 13.500h4M16 10.500h4M16 13.500h4',
  cloud: 'M7 18a4 4 0 0 1-.5-8A5.500 5.500 0 0 1 17 9.500a4.300 4.300 0 0 1 0 8.500z',
} as const;

export type IconName = keyof typeof PATHS;

/** A picture beside words, which say the same. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 64 64" aria-hidden="true">
      <rect width="64" height="64" rx="15" fill="#24584b" />
      <path
        d="M15 44V24.500c0-6 8.500-6 8.500 0V38m0-13.500c0-6 8.500-6 8.500 0V38m0-13.500c0-6 8.500-6 8.500 0V44c0 4 4 6 8.500 3"
        fill="none"
        stroke="#fff"
        stroke-width="4.500"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
