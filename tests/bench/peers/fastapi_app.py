"""FastAPI with SQLAlchemy and asyncpg: the same look-up and the same ingest, as one would write them first.

The look-up reads the row that the service reads and gives the stored bytes out: no second rendering. The
ingest validates the events and inserts them, durable, into one table with the identity as its key: it folds
nothing, scores nothing, keeps no log and answers with no proof. Run by uvicorn, with two workers.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Response
from pydantic import BaseModel
from sqlalchemy import DateTime, Index, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ.get("BENCH_DATABASE", "postgresql+asyncpg://"), pool_size=16)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Entity(Base):
    __tablename__ = "entity"
    __table_args__ = ({"schema": "creditsvc"},)
    entity_id: Mapped[str] = mapped_column(primary_key=True)
    public_version: Mapped[int]
    public_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    public_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    public_profile: Mapped[bytes | None]


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (Index("event_subject", "subject"), {"schema": "bench_peer"})
    source: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str]
    type: Mapped[str]
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CloudEvent(BaseModel):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: dict[str, Any]


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


@app.get("/v1/entities/{entity}")
async def look_up(entity: str, opened: Session) -> Response:
    found = (await opened.execute(select(Entity).where(Entity.entity_id == entity))).scalar_one_or_none()
    if found is None or found.public_profile is None:
        raise HTTPException(404)
    return Response(found.public_profile, media_type="application/json")


@app.post("/v1/event", status_code=201)
async def take_one(event: CloudEvent, opened: Session) -> dict[str, str]:
    await opened.execute(insert(Event).values(event.model_dump(exclude={"specversion"})))
    await opened.commit()
    return {"id": event.id, "status": "accepted"}


@app.post("/v1/events")
async def take_many(events: list[CloudEvent], opened: Session) -> list[dict[str, str]]:
    await opened.execute(insert(Event), [event.model_dump(exclude={"specversion"}) for event in events])
    await opened.commit()
    return [{"id": event.id, "status": "accepted"} for event in events]


TABLE = """
drop schema if exists bench_peer cascade;
create schema bench_peer;
create table bench_peer.event (
    source text not null, id text not null, subject text not null, type text not null,
    "time" timestamptz not null, data jsonb not null, primary key (source, id));
create index event_subject on bench_peer.event (subject);
"""
