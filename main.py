"""``python main.py --source FILE --table TABLE``: one row a user, top category and longest streak."""

from etls.aggregates.command import main

if __name__ == "__main__":
    main()
