-- A request of any dialect: BODY as it is (STREAM=1 adds "stream":true), KEY as x-api-key, EXTRA="name: value|name: value".
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["x-api-key"] = os.getenv("KEY")
for pair in string.gmatch(os.getenv("EXTRA") or "", "[^|]+") do
  local name, value = string.match(pair, "^(.-):%s*(.*)$")
  wrk.headers[name] = value
end
wrk.body = os.getenv("BODY")
if os.getenv("STREAM") == "1" then
  wrk.body = string.sub(wrk.body, 1, -2) .. ',"stream":true}'
end
