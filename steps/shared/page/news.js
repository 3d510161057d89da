// @ts-check
/// <reference lib="dom" />
import { find, make, setText } from './dom.js';

// The news at the top of the page, and the log of it.

/** @typedef {'calm' | 'down' | 'failing' | 'kept' | 'lost'} Mood */

const MAX_LOG_LINES = 20;

/** Shows news at the top and in the log. @param {Mood} mood @param {string} headline @param {string} detail */
export function report(mood, headline, detail) {
  log(mood, `${headline} ${detail}`);
  announce(mood, headline, detail);
}

/** Shows news at the top, where screen readers announce it. @param {Mood} mood @param {string} headline @param {string} detail */
export function announce(mood, headline, detail) {
  find('#news').dataset.mood = mood;
  setText('#headline', headline);
  setText('#detail', detail);
}

/** Adds a line to the log, newest first. @param {Mood} mood @param {string} text */
export function log(mood, text) {
  const item = make('li', make('time', clock(Date.now())), make('span', text));
  item.dataset.mood = mood;
  find('#log').prepend(item);
  find('#log').children[MAX_LOG_LINES]?.remove();
}

/** Formats a moment as a time, with the date unless it is today. @param {string | number} moment */
export function clock(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString('en-GB');
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.toLocaleDateString('en-GB', { dateStyle: 'medium' })}, ${time}`;
}
