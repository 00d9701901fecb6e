from creditsvc.store.database import connect


async def test_the_login_finds_the_schema(database):
    connection = await connect(database)
    try:
        assert await connection.fetchval("select count(*) from event") == 0
    finally:
        await connection.close()


async def test_the_login_finds_the_schema2(database):
    connection = await connect(database)
    try:
        assert await connection.fetchval("select count(*) from event") == 0
    finally:
        await connection.close()
