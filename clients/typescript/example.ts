// Runs a workflow with the generated client and waits for what comes out.
//
//   cargo xtask clients && cd target/clients/typescript && npm install && npx tsc
//   TENURE_SERVER=http://127.0.0.1:8080 TENURE_KEY=tnr_… node dist/example.js
import { good, tenure } from './client';

const { TENURE_SERVER = 'http://127.0.0.1:8080', TENURE_KEY = '' } = process.env;
const api = tenure(TENURE_SERVER, TENURE_KEY);

const definition = {
  name: 'Total of an order',
  input: {
    type: 'object',
    required: ['prices'],
    properties: { prices: { type: 'array', items: { type: 'number' } } },
  },
  nodes: { total: { type: 'transform', jq: '{total: ([.input.prices[]] | add)}' } },
  edges: [
    { from: 'start', to: 'total' },
    { from: 'total', to: 'end' },
  ],
};

async function main() {
  const workflow = await good(api.POST('/api/v1/workflows', { body: definition }));
  const execution = await good(
    api.POST('/api/v1/workflows/{id}/executions', {
      params: { path: { id: workflow.id }, query: { wait: '30s' } },
      body: { input: { prices: [19.5, 3, 0.5] } },
    }),
  );
  const output = await good(api.GET('/api/v1/executions/{id}/output', { params: { path: { id: execution.id } } }));
  console.log(execution.state, JSON.stringify(output));
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
