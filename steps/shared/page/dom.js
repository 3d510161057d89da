// @ts-check
/// <reference lib="dom" />

// What the page of a step and the lab both need.

/**
 * Finds an element that the page must have.
 *
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function find(selector, within = document) {
  /** @type {T | null} */
  const found = within.querySelector(selector);
  if (!found) throw new Error(`The page has no ${selector}.`);
  return found;
}

/**
 * Changes the text of an element, if it differs: a screen reader may read out the same text twice.
 *
 * @param {string} selector
 * @param {string} text
 * @param {ParentNode} [within]
 */
export function setText(selector, text, within) {
  const target = find(selector, within);
  if (target.textContent !== text) target.textContent = text;
  return target;
}

/**
 * Makes an element.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {(Node | string)[]} content
 */
export function make(tag, ...content) {
  const element = document.createElement(tag);
  element.append(...content);
  return element;
}

/** @param {number} duration in milliseconds */
export function pause(duration) {
  return new Promise((resolve) => setTimeout(resolve, duration));
}
