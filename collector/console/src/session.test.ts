import { expect, test } from "vitest";
import { tokenOfFragment } from "./session.ts";

test.each([
  ["#token=abc-_.~123", "abc-_.~123"],
  ["#a=b&token=%2Bx", "+x"],
  ["#token=", null],
  ["#other=abc", null],
  ["", null],
])("the fragment %s carries the token %s", (fragment, token) => expect(tokenOfFragment(fragment)).toBe(token));
