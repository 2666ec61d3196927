#!/usr/bin/env bash
# Five nodes on one PostgreSQL of this machine, fsync on: how long revocations take, how many there can be, what idle nodes write, what a
# hot verification costs beside a single node on SQLite. Run by ./bench cluster, which builds what is started here.
#
# Needs PostgreSQL 15 or later (initdb, psql), wrk, curl, jq and setpriv. Prints one line for each number. Everything is in a temporary folder.

set -euo pipefail
claviger=$1
nodes=${NODES:-5}

place=$(mktemp -d)
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
PATH=${bin:-/usr/bin}:$PATH
as_postgres=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$place"
    chmod 755 "$place"
    as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)
fi
finish() {
    trap - EXIT
    for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    "${as_postgres[@]}" pg_ctl -D "$place/db" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$place"
}
trap finish EXIT

free_port() { while :; do port=$((RANDOM % 20000 + 20000)); (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break; done; }

free_port
"${as_postgres[@]}" initdb -D "$place/db" -U postgres -A trust >/dev/null
"${as_postgres[@]}" pg_ctl -D "$place/db" -w -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=400" -l "$place/db.log" start >/dev/null
server=postgres://postgres@127.0.0.1:$port
psql -q "$server/postgres" -c "CREATE DATABASE claviger"
url="$server/claviger?sslmode=disable"
sql() { psql -XAtq "$server/claviger" -c "$1"; }

# start NODE ARGUMENT…: begins to listen, and tells where
declare -a public gateway pids
start() {
    local node=$1
    shift
    "$claviger" serve --data "$place/$node" --public 127.0.0.1:0 --gateway 127.0.0.1:0 --public-url http://api.example.com --canary-every 0 "$@" \
        >"$place/$node.log" 2>&1 &
    pids[node]=$!
    for _ in $(seq 200); do
        gateway[node]=$(sed -n 's/^Gateway: *//p' "$place/$node.log")
        public[node]=$(sed -n 's/^Public: *//p' "$place/$node.log")
        [ -z "${gateway[node]}" ] || return 0
        sleep 0.1
    done
    cat "$place/$node.log" >&2
    exit 1
}
for node in $(seq "$nodes"); do
    mkdir -m 700 "$place/$node"
    [ "$node" = 1 ] || cp "$place/1/keyring.json" "$place/$node/"
    start "$node" --database "$url"
done
key=$("$claviger" operator key create --name bench --data "$place/1" --database "$url")

# api KEY METHOD URL [BODY]
api() { curl -fsS -X "$2" "$3" -H "Authorization: Bearer $1" -H "Content-Type: application/json" ${4:+-d "$4"}; }
account_with_key() { # KEY PUBLIC: prints the account's id, a key's id and the key
    local account made
    account=$(api "$1" POST "$2/v1/accounts" '{"kind":"business","name":"Bench"}' | jq -r .id)
    made=$(api "$1" POST "$2/v1/accounts/$account/credentials" '{"kind":"api_key","name":"Bench","access":{"level":"full"}}')
    echo "$account" "$(jq -r .id <<<"$made")" "$(jq -r .secret <<<"$made")"
}

echo "revocations on $nodes nodes, one after the other, each asked all the time:"
CLAVIGER_OPERATOR_KEY=$key "$claviger" cluster check "${public[@]}" --rounds 300 --verifiers 1 | sed 's/^/    /'

read -r account credential secret < <(account_with_key "$key" "${public[1]}")
# copies ACCOUNTS CREDENTIAL COUNT PREFIX: past the triggers, which would write as many revisions; the accounts take turns
copies() {
    sql "SET session_replication_role = replica;
        WITH accounts AS (SELECT string_to_array('$1', ' ') AS ids)
        INSERT INTO credential SELECT (json_populate_record(c, json_build_object('id', gen_random_uuid()::text, 'public_id', '$4' || n,
                'account_id', ids[1 + n % cardinality(ids)]))).*
            FROM credential c, accounts, generate_series(1, $3) n WHERE c.id = '$2';
        INSERT INTO credential_secret SELECT (json_populate_record(s, json_build_object('id', gen_random_uuid()::text, 'credential_id', c.id))).*
            FROM credential_secret s, credential c WHERE s.credential_id = '$2' AND c.public_id LIKE '$4%';
        ANALYZE credential, credential_secret"
}
# deletions ACCOUNTS NODE…: the best of three rounds of three seconds
deletions() {
    local accounts=$1 prefix results=()
    shift
    for _ in 1 2 3; do
        prefix=$(date +%s%N)-
        copies "$accounts" "$credential" 20000 "$prefix"
        sql "SELECT '/v1/accounts/' || account_id || '/credentials/' || id FROM credential WHERE public_id LIKE '$prefix%' ORDER BY id" >"$place/paths"
        results+=("$(PATHS=$place/paths THREADS=$# TARGETS=$* wrk -t$# -c65 -d3s -s benches/delete.lua -H "Authorization: Bearer $key" "$1" | sed -n 's/^result: //p')")
    done
    printf '%s\n' "${results[@]}" | sort -n | tail -n 1
}

many=$(for _ in $(seq 300); do api "$key" POST "${public[1]}/v1/accounts" '{"kind":"business","name":"Bench"}' | jq -r .id; done | paste -sd ' ')
echo "revocations in a second, 65 at once, true on $nodes nodes each, the best of three rounds:"
echo "    in one account, through one node:        $(deletions "$account" "${public[1]}")"
echo "    in one account, through all nodes:       $(deletions "$account" "${public[@]}")"
echo "    in 300 accounts, through one node:       $(deletions "$many" "${public[1]}")"
echo "    in 300 accounts, through all nodes:      $(deletions "$many" "${public[@]}")"

read -r large one _ < <(account_with_key "$key" "${public[1]}")
copies "$large" "$one" 100000 large-
took=$(curl -fsS -X PATCH "${public[1]}/v1/accounts/$large" -H "Authorization: Bearer $key" -H "Content-Type: application/json" \
    -d '{"status":"suspended"}' -o /dev/null -w 'HTTP %{http_code}, %header{effective-after-ms} ms after its commit, %{time_total} s in all')
echo "100,000 credentials ended by suspending their account, true everywhere: $took"

activity() { sql "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"; }
sleep 2
before=$(activity)
sleep 20
after=$(activity)
echo "rows that idle nodes write in a second: $(jq -n "($after - $before) / 20 / $nodes * 100 | round / 100") each"

# CPU time of a node for a hot verification
per_cpu_second() { # PID GATEWAY SECRET
    ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }
    local from to requests
    from=$(ticks "$1")
    requests=$(wrk -t1 -c16 -d2s -H "X-API-Key: $3" -H "X-Original-Method: GET" -H "X-Original-URI: /api" "$2/verify/nginx" | awk '/requests in/ { print $1 }')
    to=$(ticks "$1")
    echo $((requests * 100 / (to - from)))
}
start 9
alone=$("$claviger" operator key create --name bench --data "$place/9")
read -r _ _ single < <(account_with_key "$alone" "${public[9]}")
ratios=()
for _ in 1 2 3 4 5 6; do
    one=$(per_cpu_second "${pids[1]}" "${gateway[1]}" "$secret")
    other=$(per_cpu_second "${pids[9]}" "${gateway[9]}" "$single")
    ratios+=("$(jq -n "$one / $other")")
done
echo "hot verifications per CPU-second, a node of $nodes beside a single one on SQLite: $one beside $other, median ratio $(printf '%s\n' "${ratios[@]}" | sort -n | sed -n '3,4p' | jq -s 'add / 2 * 1000 | round / 1000')"
