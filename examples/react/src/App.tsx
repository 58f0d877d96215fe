import { AttendanceTimeline } from "livekit-presence/react";
import { useState } from "react";

import { Backstage } from "./Backstage";
import { Sidebar } from "./Sidebar";

/** The channels, the backstage of the one that is chosen, and who was in it. */
export function App() {
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <>
      <Sidebar chosen={chosen} onChoice={setChosen} />
      {chosen !== null && (
        <div className="chosen">
          <Backstage key={chosen} room={chosen} />
          <AttendanceTimeline room={chosen} />
        </div>
      )}
    </>
  );
}
