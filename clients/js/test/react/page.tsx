// A page with React on it.

import { act, Component, type ReactNode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { vi } from "vitest";

import { PresenceProvider, type PresenceProviderProps } from "../../src/react/index.js";

let roots: Root[] = [];

/** Lets effects, microtasks and what hangs on promises happen. */
export async function settle(millis = 0): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(millis));
}

export interface Page {
  readonly element: HTMLElement;
  text(): string | null;
  render(node: ReactNode): Promise<void>;
  unmount(): Promise<void>;
}

export async function show(node: ReactNode): Promise<Page> {
  const element = document.body.appendChild(document.createElement("main"));
  const root = createRoot(element);
  await act(async () => root.render(node));
  return pageOf(element, root);
}

export async function hydrate(
  html: string,
  node: ReactNode,
  onRecoverableError: (error: unknown) => void,
): Promise<Page> {
  const element = document.body.appendChild(document.createElement("main"));
  element.innerHTML = html;
  let root: Root;
  await act(async () => void (root = hydrateRoot(element, node, { onRecoverableError })));
  return pageOf(element, root!);
}

function pageOf(element: HTMLElement, root: Root): Page {
  roots.push(root);
  return {
    element,
    text: () => element.textContent,
    render: (node) => act(async () => root.render(node)),
    async unmount() {
      roots = roots.filter((other) => other !== root);
      await act(async () => root.unmount());
      element.remove();
    },
  };
}

export async function unmountAll(): Promise<void> {
  for (const root of roots) await act(async () => root.unmount());
  roots = [];
  document.body.replaceChildren();
}

/** A provider of one tab: how tabs share is not React's business. */
export function Provider(props: PresenceProviderProps) {
  return <PresenceProvider url="https://presence.example" share={false} {...props} />;
}

/** The message of what is thrown when this is rendered. */
export async function errorOf(node: ReactNode): Promise<string | null> {
  // React also tells the console, and some versions the window.
  vi.mocked(console.error).mockImplementation(() => {});
  const hush = (event: ErrorEvent) => event.preventDefault();
  window.addEventListener("error", hush);
  const page = await show(<Catch>{node}</Catch>);
  window.removeEventListener("error", hush);
  vi.mocked(console.error).mockReset();
  return page.text();
}

class Catch extends Component<{ children: ReactNode }, { message?: string }> {
  override state: { message?: string } = {};
  static getDerivedStateFromError = (error: Error) => ({ message: error.message });
  override render() {
    return this.state.message ?? this.props.children;
  }
}
