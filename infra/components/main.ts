import { locateNatsServer } from './nats-server.ts';

process.stdout.write(`${await locateNatsServer(text => process.stderr.write(`${text}\n`))}\n`);
