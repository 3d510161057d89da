import { join } from 'node:path';
import express, { Router } from 'express';

/** `GET /`: the page, and what it needs. Comes before the session middleware, so it starts no session. */
export const page = Router().use(express.static(join(import.meta.dirname, 'page')));
