/** Statements that touch what an ordinary application touches: DDL, all kinds of changes, two databases, subtransactions. */
export const WORKLOAD: readonly string[] = [
  'create table account (id serial primary key, owner text not null, balance bigint not null default 0, note text)',
  "insert into account (owner, balance, note) select 'owner ' || i, i, repeat('x', i % 200) from generate_series(1, 20000) i",
  'create index account_owner on account (owner)',
  'update account set balance = balance + 1 where id % 3 = 0',
  'delete from account where id % 7 = 0',
  'vacuum account',
  "insert into account (owner) select 'again ' || i from generate_series(1, 5000) i",
  'create table wide (id int, body text)',
  'alter table wide alter column body set storage external',
  'insert into wide select i, repeat(md5(i::text), 200) from generate_series(1, 200) i',
  'create table truncated as select i from generate_series(1, 10000) i',
  'truncate truncated',
  'insert into truncated select i from generate_series(1, 3000) i',
  'create table shrunk as select i, repeat($$y$$, 100) t from generate_series(1, 20000) i',
  'delete from shrunk where i > 2000',
  'vacuum shrunk',
  'insert into shrunk select i, repeat($$z$$, 100) from generate_series(1, 8000) i',
  'create table dropped as select i from generate_series(1, 10000) i',
  'drop table dropped',
  'create unlogged table volatile (id int primary key)',
  'insert into volatile select generate_series(1, 100)',
  'create sequence counter',
  "select nextval('counter') from generate_series(1, 100)",
  `do $$ begin
     for i in 1..200 loop
       begin
         insert into account (owner) values ('sub ' || i);
         if i % 5 = 0 then raise exception 'undone'; end if;
       exception when others then null;
       end;
     end loop;
   end $$`,
  'create materialized view totals as select owner, sum(balance) s from account group by owner',
  'cluster account using account_pkey',
  'analyze',
];

export const SECOND_DATABASE: readonly string[] = [
  'create table here (id int primary key, at timestamptz default now())',
  'insert into here select generate_series(1, 5000)',
  'update here set at = now()',
  'vacuum full here',
];
