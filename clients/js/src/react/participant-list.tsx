"use client";

import { useEffect, useRef, useState, type ReactElement, type RefObject } from "react";

import type { TokenSource } from "../types.js";
import type { LiveKitRoom } from "./livekit.js";
import { useModeration, type Moderation } from "./moderation.js";
import { useRoomPresence, type Person } from "./room-presence.js";
import { useRoster } from "./roster.js";

/** The texts of a `<ParticipantList>`. */
export interface ParticipantListLabels {
  /** Before the name of the room. */
  readonly title: string;
  readonly nobody: string;
  readonly microphoneOn: string;
  readonly microphoneOff: string;
  readonly cameraOn: string;
  readonly screenOn: string;
  readonly speaking: string;
  /** Where the connection is poor or lost. */
  readonly poorConnection: string;
  /** On the buttons; a name follows for those who listen. */
  readonly mute: string;
  readonly muted: string;
  readonly promote: string;
  readonly demote: string;
  readonly remove: string;
  readonly ban: string;
  /** Asks before a ban; a name follows. */
  readonly confirmBan: string;
  readonly cancel: string;
  /** Before the name of those whom a group of buttons is about. */
  readonly moderate: string;
  readonly dismiss: string;
}

/** The props of `<ParticipantList>`. */
export interface ParticipantListProps {
  readonly room: string | null | undefined;
  /** livekit-client's `Room`, if the page is in the call: then who speaks shows too. */
  readonly livekitRoom?: LiveKitRoom | null | undefined;
  /**
   * Whether to show the buttons of a moderator, and the roles of the roster. They are shown if the token has `roomAdmin` for the room;
   * with `"cookie"` without a look at the token, for a page whose token is in a cookie.
   */
  readonly moderate?: boolean | "cookie" | undefined;
  /** The moderator's token, if it is another one than the provider's. */
  readonly token?: TokenSource | undefined;
  /** The roles between which the buttons move people: `viewer` and `speaker` by default. */
  readonly roles?: { readonly viewer: string; readonly speaker: string } | undefined;
  /** Translations. Texts that are left out are English. */
  readonly labels?: Partial<ParticipantListLabels> | undefined;
  /** Additional classes. */
  readonly className?: string | undefined;
}

const ENGLISH: ParticipantListLabels = {
  title: "People in",
  nobody: "Nobody is here.",
  microphoneOn: "microphone on",
  microphoneOff: "microphone off",
  cameraOn: "camera on",
  screenOn: "shares a screen",
  speaking: "speaking",
  poorConnection: "poor connection",
  mute: "Mute",
  muted: "Muted",
  promote: "Promote",
  demote: "Demote",
  remove: "Remove",
  ban: "Ban",
  confirmBan: "Ban for ever:",
  cancel: "Cancel",
  moderate: "Moderate",
  dismiss: "Dismiss",
};

const ROLES = { viewer: "viewer", speaker: "speaker" };

/**
 * The people in a room, with their microphones, cameras and screens. For moderators each has buttons: to mute, promote, remove and ban
 * them. What a button does shows at once; why the service refuses stands above the list. Its styles are in
 * `livekit-presence/react/styles.css`.
 */
export function ParticipantList(props: ParticipantListProps): ReactElement {
  const { room, livekitRoom, moderate, token, roles, labels, className } = props;
  const words = { ...ENGLISH, ...labels };
  const moderation = useModeration(room, { token, canModerate: moderate === "cookie" ? true : undefined });
  const isModerated = !!moderate && moderation.canModerate;
  const { participants } = useRoomPresence(room, livekitRoom, { roster: !!moderate });
  const hasRoster = useRoster(moderate ? room : null).error?.status !== 404;
  const section = useRef<HTMLElement>(null);
  useFocusKept(section, participants);
  const means: Means = { moderation, words, roles: roles ?? ROLES, hasRoster };
  return (
    <section
      ref={section}
      tabIndex={-1}
      className={classes("", className)}
      aria-label={`${words.title} ${room ?? ""}`.trim()}
    >
      <Refusal moderation={moderation} words={words} />
      {participants.length === 0 && <p className={classes("-note")}>{words.nobody}</p>}
      <ul className={classes("-people")}>
        {participants.map((person) => (
          <Row key={person.identity} person={person} means={isModerated ? means : null} words={words} />
        ))}
      </ul>
    </section>
  );
}

const classes = (part: string, more?: string): string => `livekit-presence-list${part}${more ? ` ${more}` : ""}`;

/** What a moderator acts with. */
interface Means {
  readonly moderation: Moderation;
  readonly words: ParticipantListLabels;
  readonly roles: { readonly viewer: string; readonly speaker: string };
  /** Otherwise what somebody may do is changed without it. */
  readonly hasRoster: boolean;
}

/** Where the row with the keyboard focus goes, the list has it: whoever uses the keyboard stays there. */
function useFocusKept(section: RefObject<HTMLElement | null>, people: readonly Person[]): void {
  const focused = useRef<Element | null>(null);
  useEffect(() => {
    const { current } = section;
    if (!current) return;
    const note = ({ target }: FocusEvent) => {
      focused.current = target as Element;
    };
    // Some browsers tell that what is removed from the page loses the focus, and some do not.
    const forget = ({ target }: FocusEvent) =>
      queueMicrotask(() => {
        if ((target as Element).isConnected && focused.current === target) focused.current = null;
      });
    current.addEventListener("focusin", note);
    current.addEventListener("focusout", forget);
    return () => {
      current.removeEventListener("focusin", note);
      current.removeEventListener("focusout", forget);
    };
  }, [section]);
  useEffect(() => {
    if (!focused.current || focused.current.isConnected) return;
    focused.current = null;
    if (document.activeElement === document.body) section.current?.focus();
  }, [section, people]);
}

function Refusal({ moderation, words }: Pick<Means, "moderation" | "words">) {
  const { error, dismiss } = moderation;
  return (
    <div className={classes("-refusal")} role="alert">
      {error && (
        <>
          <p>{error.detail}</p>
          <Button text={words.dismiss} onPress={dismiss} />
        </>
      )}
    </div>
  );
}

interface RowProps {
  readonly person: Person;
  /** Null for those who do not moderate. */
  readonly means: Means | null;
  readonly words: ParticipantListLabels;
}

function Row({ person, means, words }: RowProps) {
  const name = nameOf(person);
  const isPoor = person.connectionQuality === "poor" || person.connectionQuality === "lost";
  const states = [
    person.isSpeaking && words.speaking,
    person.isMicrophoneOn ? words.microphoneOn : words.microphoneOff,
    person.isCameraOn && words.cameraOn,
    person.isScreenShareOn && words.screenOn,
    isPoor && words.poorConnection,
  ].filter((state) => state !== false);
  return (
    <li className={classes("-person")} data-speaking={person.isSpeaking || undefined}>
      <span className={classes("-name")}>{name}</span>
      {person.roster?.role && <span className={classes("-role")}>{person.roster.role}</span>}
      <span className={classes("-states")}>{states.join(", ")}</span>
      {means && <Controls person={person} name={name} means={means} />}
    </li>
  );
}

const nameOf = ({ name, identity }: Person): string => name.trim() || identity;

interface ControlsProps {
  readonly person: Person;
  readonly name: string;
  readonly means: Means;
}

function Controls({ person, name, means }: ControlsProps) {
  const [question, setQuestion] = useState<"none" | "open" | "cancelled">("none");
  const { moderation, words } = means;
  const { identity } = person;
  const open = person.tracks.filter(({ source, muted }) => source === "MICROPHONE" && !muted);
  const muteAll = () => open.forEach(({ sid }) => void moderation.mute(identity, sid));
  if (question === "open") {
    const ban = () => {
      setQuestion("none");
      void moderation.ban(identity);
    };
    const cancel = () => setQuestion("cancelled");
    return (
      <span
        className={classes("-controls")}
        role="group"
        aria-label={`${words.confirmBan} ${name}`}
        onKeyDown={({ key }) => key === "Escape" && cancel()}
      >
        <span className={classes("-question")}>{`${words.confirmBan} ${name}?`}</span>
        <Button text={words.ban} about={name} onPress={ban} />
        <Button text={words.cancel} isFirst onPress={cancel} />
      </span>
    );
  }
  return (
    <span className={classes("-controls")} role="group" aria-label={`${words.moderate} ${name}`}>
      <Button
        text={open.length > 0 ? words.mute : words.muted}
        about={name}
        isOff={open.length === 0}
        onPress={muteAll}
      />
      <Promotion person={person} name={name} means={means} />
      {/* Nobody throws themselves out by mistake. */}
      {!person.isLocal && (
        <>
          <Button text={words.remove} about={name} onPress={() => void moderation.remove(identity)} />
          <Button
            text={words.ban}
            about={name}
            isFirst={question === "cancelled"}
            onPress={() => setQuestion("open")}
          />
        </>
      )}
    </span>
  );
}

/** Lets somebody speak, or no longer. Who has another role than these two keeps it. */
function Promotion({ person, name, means }: ControlsProps) {
  const { moderation, words, roles, hasRoster } = means;
  const { identity, roster, permission } = person;
  const move = (isUp: boolean) =>
    void moderation.update(
      identity,
      hasRoster ? { role: isUp ? roles.speaker : roles.viewer } : { permission: { canPublish: isUp } },
    );
  const isSpeaker = hasRoster ? roster?.role === roles.speaker : (permission?.canPublish ?? true);
  if (hasRoster && roster && !isSpeaker && roster.role !== roles.viewer) return null;
  return <Button text={isSpeaker ? words.demote : words.promote} about={name} onPress={() => move(!isSpeaker)} />;
}

interface ButtonProps {
  readonly text: string;
  /** Whom it is about, for those who do not see the row. */
  readonly about?: string | undefined;
  /** It does nothing now, and keeps its place and the keyboard focus. */
  readonly isOff?: boolean | undefined;
  /** Whether it has the keyboard focus at first. */
  readonly isFirst?: boolean | undefined;
  readonly onPress: () => void;
}

function Button({ text, about, isOff, isFirst, onPress }: ButtonProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isFirst) button.current?.focus();
  }, [isFirst]);
  return (
    <button
      ref={button}
      type="button"
      className={classes("-button")}
      aria-disabled={isOff || undefined}
      onClick={isOff ? undefined : onPress}
    >
      {text}
      {about && <span className={classes("-unseen")}>{` ${about}`}</span>}
    </button>
  );
}
