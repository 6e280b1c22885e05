import { expect, it } from 'vitest';
import { device } from './device';

it.each([
  ['Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0', 'Firefox on Linux'],
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    'Edge on Windows',
  ],
  [
    'Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    'Chrome on Android',
  ],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1',
    'Safari on iPhone',
  ],
  [
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15',
    'Safari on macOS',
  ],
  ['Mozilla/5.0 (something else) Firefox/150.0', 'Firefox'],
  ['Mozilla/4.0 (compatible)', 'Mozilla'],
  ['curl/8.14.1', 'curl'],
  ['python-requests/2.32 (Firefox/1)', 'python-requests'],
  ['/odd', '/odd'],
  ['  ', 'A program that gave no name'],
  [null, 'A program that gave no name'],
])('%s is %s', (said, wanted) => {
  expect(device(said)).toBe(wanted);
});
