"""Stands in for python-multilib, which kojid imports but uses in multilib dist-repos only; Debian does not have it."""


class multilib:
    """The module that kojid imports from the package of the same name."""

    class DevelMultilibMethod:
        def __init__(self, config):
            raise NotImplementedError('python-multilib is not installed')
