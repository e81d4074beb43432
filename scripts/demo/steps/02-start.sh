# Start a whole Moromi on an empty directory
say "One process group: a private PostgreSQL, the hub, the web pages, the repository projector, the scheduler, a builder."
data=$demo/data
web=http://127.0.0.1:${DEMO_PORT:-$(free_port 8080)}
launch moromid bin/moromid up --data "$data" --listen "${web#http://}"
wait_for_url "$web/readyz" moromid
write_client_config "$demo/admin.conf" kojiadmin "$(<"$data/admin.password")"
show moromi moshimoshi
say "Its pages are at $web"
