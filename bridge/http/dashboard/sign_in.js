// Turns the token behind the "#" of a one-time link into a session.
import { Problem, post } from "./api.js";

const message = document.getElementById("message");
const token = location.hash.slice(1);
// The token must stay neither in the address bar nor in the history.
history.replaceState(null, "", location.pathname);

if (token === "") {
  message.textContent = "You are not signed in.";
} else {
  try {
    await post("/api/dashboard/session", { token });
    location.replace("/");
  } catch (error) {
    const isUsed = error instanceof Problem && error.status === 401;
    message.textContent = isUsed
      ? "This link was used before, or is too old."
      : `It did not work: ${error.message}`;
    message.classList.add("bad-text");
  }
}
