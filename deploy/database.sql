-- Run once by the postgres image, as superuser, when its volume is new. The service's role owns its database
-- and may make the two group roles that its connections take (see schema/roles.sql). It is no superuser:
-- whoever holds its password reaches this database and nothing else of the server.
\set ON_ERROR_STOP on
\getenv password SERVICE_PASSWORD
create role creditsvc login createrole password :'password';
create database creditsvc owner creditsvc;
