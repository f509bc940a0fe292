from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0001_initial'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_name',
        ),
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_email',
        ),
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_created',
        ),
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_updated',
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['name', 'id', 'is_active', 'created_at', 'deleted_at'], name='customer_by_name'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['is_active', 'name', 'id', 'deleted_at'], name='customer_by_active'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['email', 'id', 'deleted_at'], name='customer_by_email'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['created_at', 'id', 'is_active', 'deleted_at'], name='customer_by_created'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['updated_at', 'id', 'is_active', 'created_at', 'deleted_at'], name='customer_by_updated'),
        ),
    ]
