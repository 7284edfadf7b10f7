/** Asks for the token where the address did not bring it. */
import { useState, type FormEvent, type ReactNode } from "react";
import { signIn } from "./session.ts";
import { Problem, Title } from "./ui/parts.tsx";

export function SignIn({ refused }: { refused: boolean }): ReactNode {
  const [value, setValue] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (value.trim()) signIn(value);
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit} aria-labelledby="sign-in">
        <span className="brand">Ringfence</span>
        <span id="sign-in">
          <Title tab="Sign in">Sign in</Title>
        </span>
        <Problem>{refused && "The collector did not accept this token."}</Problem>
        <label htmlFor="token">Token</label>
        <input
          id="token"
          type="password"
          autoComplete="off"
          spellCheck={false}
          aria-describedby="token-help"
          value={value}
          onChange={(event) => setValue(event.target.value)}
          autoFocus
        />
        <p id="token-help" className="why">
          The collector made it when it first started and says on its terminal where the file is. It is kept in this tab only.
        </p>
        <button type="submit" className="button primary">Sign in</button>
      </form>
    </main>
  );
}
