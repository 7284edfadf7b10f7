import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { adoptFragment } from "./session.ts";
import "./styles.css";

adoptFragment();
addEventListener("hashchange", adoptFragment);

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
