// Small tools of the page: elements, names, sizes, pictures.

export const $ = (id) => document.getElementById(id);

/** A new element; `content` is text, never markup, or a list of elements. */
export function make(tag, className = "", content = "") {
  const element = document.createElement(tag);
  element.className = className;
  if (tag === "button") element.type = "button";
  if (typeof content === "string") element.textContent = content;
  else element.append(...content);
  return element;
}

/** The first letter of a name on a colour of its own. */
export function avatar(name) {
  const element = make("span", "avatar", [...name][0].toUpperCase());
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  element.style.setProperty("--hue", hue);
  element.setAttribute("aria-hidden", "true");
  return element;
}

export function megabytes(size) {
  return size < 1e5 ? `${Math.ceil(size / 1e3)} kB` : `${Math.ceil(size / 1e5) / 10} MB`;
}

export function randomToken() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The type of a picture, from its first bytes: what a sender or a file name says is not evidence. */
export function pictureType(buffer) {
  if (!(buffer instanceof ArrayBuffer)) return null;
  const text = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(12, buffer.byteLength)));
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (text.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(text)) return "image/gif";
  if (/^RIFF[^]{4}WEBP/.test(text)) return "image/webp";
  return null;
}

/** This tab's own memory, for a reload. A browser may forbid it: then a reload asks for the name again. */
export const memory = {
  recall() {
    try {
      return JSON.parse(sessionStorage.getItem("chat")) ?? {};
    } catch {
      return {};
    }
  },
  keep(value) {
    try {
      sessionStorage.setItem("chat", JSON.stringify(value));
    } catch {
      // forbidden
    }
  },
};
