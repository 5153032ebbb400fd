/** The load of `deno task bench:streams`: one job, told as JSON in the first argument, in steps that its standard input names.
 *
 * Left out: what the jobs are for (streams.ts). @module */
import { runCrowd } from "./crowd.ts";
import { runFirst } from "./first_record.ts";
import { runResume } from "./resume.ts";
import type { StreamJob } from "./streams.ts";

const job: StreamJob = JSON.parse(Deno.args[0]!);
if (job.kind === "first") await runFirst(job);
else if (job.kind === "crowd") await runCrowd(job);
else await runResume(job);
Deno.exit(0); // viewers' sockets are still open
