import { AttendanceTimeline } from "livekit-presence/react";
import { useState } from "react";

import { Sidebar } from "./Sidebar";

/** The channels, and who was in the one that is chosen. */
export function App() {
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <>
      <Sidebar chosen={chosen} onChoice={setChosen} />
      {chosen !== null && <AttendanceTimeline room={chosen} className="past" />}
    </>
  );
}
