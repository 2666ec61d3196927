// better-auth's API-key plugin behind the smallest HTTP server: each request's key is verified, as a gateway would ask. Not for anything else.
//
// Prints one line of JSON when it listens, and stops when its standard input ends.
import { createServer } from 'node:http';

import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import Database from 'better-sqlite3';

const database = new Database(process.argv[2]);
database.pragma('journal_mode = WAL');
const options = {
    database,
    baseURL: 'http://127.0.0.1',
    secret: 'of-no-matter-but-long-enough-for-a-bench-0123456789',
    emailAndPassword: { enabled: true },
    logger: { level: 'error' },
    telemetry: { enabled: false },
    // as fast as it goes: no rate limit, and what it notes of a use is noted later
    rateLimit: { enabled: false },
    plugins: [apiKey({ rateLimit: { enabled: false }, deferUpdates: true })],
    advanced: { backgroundTasks: { handler: (work) => void work.catch(() => {}) } },
};
const auth = betterAuth(options);
await (await getMigrations(options)).runMigrations();
const { user } = await auth.api.signUpEmail({ body: { name: 'Bench', email: 'bench@example.com', password: 'of no matter 1' } });
const { key } = await auth.api.createApiKey({ body: { name: 'Bench', userId: user.id } });

const server = createServer(async (request, response) => {
    const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers['x-api-key'] ?? '' } });
    response.writeHead(valid ? 200 : 401, { 'content-length': 0 }).end();
});
server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ address: `127.0.0.1:${server.address().port}`, headers: { api_key: [['X-API-Key', key]] } }));
});
process.stdin.on('end', () => process.exit(0)).resume();
