import { AttendanceTimeline, ParticipantList } from "livekit-presence/react";
import { useState } from "react";

import { Backstage } from "./Backstage";
import { Sidebar } from "./Sidebar";
import { moderatorToken } from "./token";

/** The channels, the backstage of the one that is chosen, who was in it, and its people once more, without code of this app. */
export function App() {
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <>
      <Sidebar chosen={chosen} onChoice={setChosen} />
      {chosen !== null && (
        <div className="chosen">
          <Backstage key={chosen} room={chosen} />
          <AttendanceTimeline room={chosen} />
          <details key={`people in ${chosen}`}>
            <summary>The people inside, by a component of the package</summary>
            <ParticipantList room={chosen} moderate token={() => moderatorToken(chosen)} />
          </details>
        </div>
      )}
    </>
  );
}
