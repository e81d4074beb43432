-- Ids of things without a name book, counted per type as clients expect. After a restore the hub moves each past what the ledger holds.
create sequence ops.id_package;
create sequence ops.id_task;
create sequence ops.id_build;
create sequence ops.id_rpm;
create sequence ops.id_buildroot;
create sequence ops.id_repo;
create sequence ops.id_repo_request;
create sequence ops.id_archive;
create sequence ops.id_notification;
create sequence ops.id_notification_block;
create sequence ops.id_cg_reservation;
