// The pinned emulator of Slack's Web API with strict scopes; says where it listens.
import { createEmulator } from 'emulate'

const scopes = process.env.SCOPES.split(',')
const bot = { app_id: 'A0DESK', bot_id: 'B0BOT', bot_user_id: 'U0BOT' }
const slack = await createEmulator({
  service: 'slack', port: Number(process.env.PORT),
  seed: { slack: {
    strict_scopes: true, signing_secret: process.env.SECRET,
    team: { name: 'Desk', domain: 'desk' },
    users: [{ name: 'alice', real_name: 'Alice', email: 'alice@example.test' }],
    channels: [{ name: 'triage', is_private: true }],
    oauth_apps: [{ ...bot, client_id: '1.2', client_secret: 'x', name: 'Desk', redirect_uris: [], scopes, bot_name: 'incident-desk' }],
    tokens: [
      { token: process.env.BOT, type: 'bot', user_id: 'U0BOT', ...bot, scopes },
      { token: process.env.ADMIN, type: 'user', user: 'alice' },
    ],
  } },
})
console.log(JSON.stringify({ ready: slack.url }))
process.on('SIGTERM', async () => { await slack.close(); process.exit(0) })
