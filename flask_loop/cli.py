import click


@click.group()
def loop(): ...
