"""x"""
async def run(stage, *, quick): return []
