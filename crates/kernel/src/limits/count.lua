-- GCRA of several subjects at once, by this server's clock; see local.rs, which does the same.
-- KEYS: one per subject. ARGV[1]: the time in microseconds for tests, else empty; then window and interval of each, in
-- microseconds. Answers how far ahead each is and, for the first that is over its limit, how long to wait (else -1); whoever
-- comes after that one is not counted.
local now
if ARGV[1] == '' then
    local time = redis.call('TIME')
    now = tonumber(time[1]) * 1000000 + tonumber(time[2])
else
    now = tonumber(ARGV[1])
end
local answer = {}
for i, key in ipairs(KEYS) do
    local window, interval = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local arrival = tonumber(redis.call('GET', key) or now)
    local ahead = math.max(arrival, now) + interval - now
    if ahead > window then
        answer[2 * i - 1] = ahead - interval
        answer[2 * i] = ahead - window
        break
    end
    redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000))
    answer[2 * i - 1] = ahead
    answer[2 * i] = -1
end
return answer
