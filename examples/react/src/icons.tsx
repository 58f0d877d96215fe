import type { ReactNode } from "react";

/** Line drawings in the colour of the text. */
function Icon({ label, children }: { label: string; children: ReactNode }) {
  return (
    <svg
      className="icon"
      role="img"
      aria-label={label}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      {children}
    </svg>
  );
}

const MICROPHONE = <path d="M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 12 0M12 17v4" />;

export const Microphone = () => <Icon label="microphone on">{MICROPHONE}</Icon>;

export const MutedMicrophone = () => (
  <Icon label="microphone off">
    {MICROPHONE}
    <path className="off" d="M4 4l16 16" />
  </Icon>
);

export const Camera = () => (
  <Icon label="camera on">
    <path d="M4 7h10v10H4ZM14 11l6-3v8l-6-3" />
  </Icon>
);

export const Screen = () => (
  <Icon label="shares a screen">
    <path d="M3 5h18v11H3ZM9 20h6M12 16v4" />
  </Icon>
);
